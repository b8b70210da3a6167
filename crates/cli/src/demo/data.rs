//! What the demo keeps: in the folder that `--data` names, or, as far as it is needed, in memory.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use orders::{Market, Ticker};
use tokio::sync::OnceCell;
use vaxel::persistence::Persistence;
use vaxel::store::{Memory, Sqlite};
use vaxel::supervisor::{StartError, Supervisor, SupervisorRef};
use vaxel::{Endpoint, Server};

/// The database in the folder.
const FILE: &str = "demo.db";

/// The store of this run.
pub(crate) struct Data {
    kept: Option<Persistence>,
    market: OnceCell<SupervisorRef>,
    endpoint: Arc<OnceLock<Endpoint>>,
}

impl Data {
    /// Opens the folder, which is made if it is not there.
    pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let kept = folder.map(open).transpose()?;
        Ok(Self {
            kept,
            market: OnceCell::new(),
            endpoint: Arc::default(),
        })
    }

    /// The store that survives, if there is one.
    pub(crate) fn kept(&self) -> Option<&Persistence> {
        self.kept.as_ref()
    }

    /// Clients can connect from now on.
    pub(crate) fn started(&self, server: &Server) {
        // There is one server, which begins to listen once.
        _ = self.endpoint.set(server.endpoint().clone());
    }

    /// Opens the market of the order book, once: a demo at whose book nobody looks has none.
    pub(crate) async fn open_market(&self) -> Result<(), StartError> {
        let start = || async {
            let persistence = match &self.kept {
                Some(kept) => kept.clone(),
                None => Persistence::new(Memory::new()),
            };
            Supervisor::one_for_one()
                .child(Market::child(persistence.clone()).name("market"))
                .child(Ticker::child(&persistence, self.endpoint.clone()))
                .start()
                .await
        };
        self.market.get_or_try_init(start).await.map(drop)
    }
}

fn open(folder: &Path) -> anyhow::Result<Persistence> {
    let shown = folder.display();
    std::fs::create_dir_all(folder).with_context(|| {
        format!("--data {shown} is no folder and cannot be made one: name a folder to write to")
    })?;
    let store = Sqlite::open(folder.join(FILE))
        .with_context(|| format!("what --data {shown} keeps cannot be used"))?;
    Ok(Persistence::new(store))
}
