//! The edge: io_uring, pinned threads, sockets, files; the Engine handle.
