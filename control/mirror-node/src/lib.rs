//! The control thread: source client, discovery, directory state.
