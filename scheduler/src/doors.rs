//! Where this process is reached: the port for workers and clients, the operator's socket, and loopback
//! for programs with a token.

use crate::config::Config;
use crate::limits::Limits;
use crate::listening::Port;
use crate::tls::Tls;
use crate::token::Token;
use crate::{admin, grpc, http};
use tokio::net::{TcpListener, UnixListener};
use url::Url;

/// All of them, taken and not open yet.
pub(crate) struct Doors {
    pub(crate) listener: TcpListener,
    /// None where plain text is spoken.
    pub(crate) tls: Option<Tls>,
    pub(crate) admin: UnixListener,
    /// For programs that give the operator's orders.
    pub(crate) programs: Option<(TcpListener, Token)>,
}

impl Doors {
    /// Where workers and clients reach this pool. The pin goes with it where they need one: not where
    /// the operator's url leads to something else in front, which speaks plain text or has a pin of its
    /// own.
    ///
    /// # Errors
    /// Where the system does not say the port.
    pub(crate) fn url(&self, public: Option<&Url>) -> anyhow::Result<String> {
        let mut url = match (public, &self.tls) {
            (Some(url), _) => url.clone(),
            (None, None) => format!("http://{}", self.listener.local_addr()?).parse()?,
            (None, Some(_)) => format!("https://{}", self.listener.local_addr()?).parse()?,
        };
        let pin = self.tls.as_ref().and_then(Tls::pin).filter(|_| url.scheme() == "https");
        if let (Some(pin), None) = (pin, url.fragment()) {
            url.set_fragment(Some(&pin.fragment()));
            return Ok(url.into());
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// Serves until the process stops, then until every request has ended.
    pub(crate) async fn open(self, config: &Config, context: grpc::Context) {
        let Self { listener, tls, admin, programs } = self;
        let (stop, meters) = (context.stop.clone(), context.meters.clone());
        let port = Port {
            routes: grpc::routes(&context).merge(http::routes(&context)),
            tls: tls.as_ref().map(Tls::acceptor),
            limits: Limits::new(config.limits.clone(), meters.clone()),
            meters,
            stop: stop.clone(),
        };
        if let Some(tls) = tls {
            tokio::spawn(tls.keep(stop.clone()));
        }
        let operators = axum::serve(admin, admin::routes(&context))
            .with_graceful_shutdown(stop.cancelled_owned());
        let for_programs = async {
            if let Some((listener, token)) = programs {
                tracing::info!(address = ?listener.local_addr(), "taking orders from programs");
                let routes = admin::guarded(&context, token);
                Port { routes, tls: None, ..port.clone() }.serve(listener).await;
            }
        };
        let clients = port.clone().serve(listener);
        let ((), (), ended) = tokio::join!(clients, for_programs, operators.into_future());
        if let Err(error) = ended {
            tracing::error!(%error, "the operator's socket failed");
        }
    }
}
