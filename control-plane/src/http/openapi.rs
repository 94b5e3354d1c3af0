//! The generated description of both APIs.

use super::json::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis control plane",
        description = "Decisions on Bedrock calls and tool calls, their records, and the keys to both. The data plane and the \
            admin API listen on different ports and take different tokens; what agents ask is on the data plane, and on a port \
            of its own if wanted. Every error is an application/problem+json."
    ),
    paths(
        super::data::decide,
        super::data::inspect,
        super::data::outcomes,
        super::guard::guard,
        super::guard::bedrock_agent,
        super::guard::meshguard::check,
        super::guard::meshguard::health,
        super::decisions::decisions,
        super::decisions::facets,
        super::admin::decision,
        super::admin::events,
        super::correlations::correlation,
        super::audit::exports::exports,
        super::audit::holds::list,
        super::audit::holds::place,
        super::audit::holds::release,
        super::audit::retention::retention,
        super::audit::log::checkpoint,
        super::audit::log::checkpoints,
        super::audit::log::keys,
        super::audit::log::rotate,
        super::audit::records::records,
        super::audit::records::record,
        super::audit::log::inclusion,
        super::audit::log::consistency,
        super::audit::tiles::tile,
        super::audit::reconciliations::record,
        super::audit::text::text,
        super::bundles::list,
        super::bundles::upload,
        super::bundles::validate,
        super::bundles::version,
        super::bundles::archive,
        super::bundles::activate,
        super::bundles::rollback,
        super::bundles::unpin,
        super::limits::limits,
        super::approvals::list,
        super::approvals::show,
        super::approvals::approve,
        super::approvals::deny,
        super::approvals::grants,
        super::approvals::grant,
        super::approvals::revoke,
        super::admin::list_keys,
        super::admin::create_key,
        super::admin::revoke_key,
        super::reports::export,
        super::reports::explain,
        super::reports::shadow_report,
        super::health::healthz,
        super::health::readyz,
        super::health::metrics
    ),
    modifiers(&Tokens)
)]
struct Api;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for name in ["data", "agent", "admin"] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        }
    }
}

/// The description, OpenAPI 3.1.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
