//! How the parts of an origin's document look in OpenAPI, where that cannot be derived.

use crate::origin::{HeaderText, Period, Statuses};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOf, Array, Object, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

fn text(description: &str, example: &str) -> Object {
    Object::builder().schema_type(Type::String).description(Some(description)).examples([example]).build()
}

impl PartialSchema for Period {
    fn schema() -> RefOr<Schema> {
        text("A number and a unit: us, ms, s, m, h or d", "5s").into()
    }
}

impl ToSchema for Period {}

impl PartialSchema for Statuses {
    fn schema() -> RefOr<Schema> {
        let status = Object::builder().schema_type(Type::Integer).build();
        let item = AnyOf::builder().item(status).item(text("First and last", "200-299"));
        Array::builder().items(item).description(Some("One to four statuses or ranges")).build().into()
    }
}

impl ToSchema for Statuses {}

impl PartialSchema for HeaderText {
    fn schema() -> RefOr<Schema> {
        let secret = Object::builder()
            .property("secret", text("Name of a file in the node's secrets folder", "token"));
        AnyOf::builder().item(text("As it stands here", "heck")).item(secret.build()).into()
    }
}

impl ToSchema for HeaderText {}
