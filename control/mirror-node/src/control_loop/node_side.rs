//! What the loop of a node has beside that of `ringmirror mirror`: a store of states, logs that
//! clients write to, clients that order.

use std::sync::Arc;

use kafka_wire::partition::BrokerId;
use mirror_coordinator::mirror_states::MirrorStates;
use tokio::sync::{mpsc, oneshot};

use crate::groups::Groups;
use crate::local_topics::LocalTopics;
use crate::local_topics::bound_topic_news::BoundTopicNews;
use crate::mirror_orders::MirrorOrder;
use crate::mirror_state_journal::MirrorStateJournal;
use crate::share_groups::ShareGroups;
use crate::source_sync::board::SyncBoard;

/// A node, for its control loop.
pub(crate) struct NodeSide {
    topics: Arc<LocalTopics>,
    /// `__mirror_state`; away while somebody writes it.
    pub(super) journal: Option<MirrorStateJournal>,
    /// What `__mirror_state` said when the node began; taken by the loop.
    pub(super) restored: MirrorStates,
    orders: mpsc::Receiver<MirrorOrder>,
    /// Each was told after a write of `ringmirror.json`, so there are never many.
    changes: mpsc::UnboundedReceiver<BoundTopicNews>,
    /// Who the node is among the brokers of its cluster.
    pub(super) broker: BrokerId,
    /// Id of the cluster that the node is.
    pub(super) cluster_id: String,
    /// Tells whoever closes the logs of clients that the loop works on none any more.
    released: Option<oneshot::Sender<()>>,
    /// Its consumer and share groups, which mirrors carry offsets to.
    pub(super) groups: Option<(Arc<Groups>, Arc<ShareGroups>)>,
    /// How what is carried over beside records goes.
    pub(super) board: Arc<SyncBoard>,
}

impl NodeSide {
    pub(crate) fn new(
        topics: Arc<LocalTopics>,
        (journal, restored): (MirrorStateJournal, MirrorStates),
        orders: mpsc::Receiver<MirrorOrder>,
        (cluster_id, broker): (String, BrokerId),
        released: oneshot::Sender<()>,
    ) -> Self {
        let (told, changes) = mpsc::unbounded_channel();
        // Nobody listens any more when the loop is ending.
        topics.tell_bound_topic_news(move |news| drop(told.send(news)));
        Self {
            topics,
            journal: Some(journal),
            restored,
            orders,
            changes,
            broker,
            cluster_id,
            released: Some(released),
            groups: None,
            board: Arc::default(),
        }
    }

    /// Says that the loop opens and seals no log any more; a loop that ends without a word may
    /// still be at it.
    pub(super) fn release_logs(&mut self) {
        if let Some(released) = self.released.take() {
            // A node that ends otherwise does not wait.
            let _ = released.send(());
        }
    }

    /// Has mirrors carry over what they carry beside records.
    pub(crate) fn with_groups(self, groups: (Arc<Groups>, Arc<ShareGroups>)) -> Self {
        Self { groups: Some(groups), ..self }
    }

    pub(super) const fn topics(&self) -> &Arc<LocalTopics> {
        &self.topics
    }
}

/// What clients have for the loop.
pub(super) enum ClientWord {
    /// Something is to be done.
    Order(MirrorOrder),
    /// Something was done to a stopped topic.
    Changed(BoundTopicNews),
}

/// The next word of a client; never, where there are no clients.
pub(super) async fn next_word(node: &mut Option<NodeSide>) -> Option<ClientWord> {
    let Some(node) = node else { return std::future::pending().await };
    tokio::select! {
        Some(news) = node.changes.recv() => Some(ClientWord::Changed(news)),
        Some(order) = node.orders.recv() => Some(ClientWord::Order(order)),
        // Clients are gone, which is the end of the node; the stop is on its way.
        else => std::future::pending().await,
    }
}
