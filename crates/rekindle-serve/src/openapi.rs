//! `/openapi.json`: the routes for programs, in OpenAPI 3.1. Owns the schemas; which routes there are is `endpoints.rs`'s to say.

use rekindle_data::OutputKind;
use serde_json::{Map, Value, json};

use crate::Service;
use crate::endpoints::Endpoint;
use crate::query::{THRESHOLD, TOP};

/// The description of a service: its parameters and answers are those of its model's task.
pub(crate) fn document(service: &Service) -> Value {
    let info = service.model().info();
    let kind = info.task.outputs();
    let mut paths = Map::new();
    for endpoint in Endpoint::ALL {
        let method = endpoint.method().as_str().to_ascii_lowercase();
        let mut item = Map::new();
        item.insert(method, operation(*endpoint, kind));
        paths.insert(endpoint.path().into(), item.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": service.options().name,
            "description": format!("A model of rekindle for {}.", info.task.name()),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": { "error": { "type": "string" } },
                },
                "Image": { "oneOf": [
                    { "type": "string", "contentEncoding": "base64" },
                    {
                        "type": "object",
                        "required": ["data"],
                        "properties": {
                            "name": { "type": "string" },
                            "data": { "type": "string", "contentEncoding": "base64" },
                        },
                    },
                ] },
                "Prediction": prediction(kind),
            },
        },
    })
}

fn operation(endpoint: Endpoint, kind: OutputKind) -> Value {
    let mut operation = json!({ "summary": endpoint.summary(), "operationId": name(endpoint) });
    let ok = |kind: &str, schema: Value| {
        let mut content = Map::new();
        content.insert(kind.into(), json!({ "schema": schema }));
        json!({ "description": "The answer", "content": content })
    };
    let object = json!({ "type": "object" });
    let text = json!({ "type": "string" });
    let mut responses = Map::new();
    let mut errors: Vec<(&str, &str)> = vec![("403", "A host or page that may not ask")];
    let of_images = [
        ("400", "A malformed request"),
        ("408", "The body did not come in time"),
        ("413", "Too many bytes, images or pixels"),
        ("415", "No image of a known format"),
        ("422", "A damaged image"),
        ("500", "A mistake of the service"),
        ("503", "No room for now; Retry-After says when"),
        ("504", "No answer in time"),
    ];
    let answer = match endpoint {
        Endpoint::Page => ok("text/html", text),
        Endpoint::Metrics => ok("text/plain", text),
        Endpoint::Predict => {
            operation["parameters"] = parameters(kind);
            operation["requestBody"] = request_body(true);
            errors.extend(of_images);
            let list = json!({ "type": "array", "items": reference("Prediction") });
            ok(
                "application/json",
                json!({
                    "type": "object",
                    "required": ["predictions"],
                    "properties": { "predictions": list },
                }),
            )
        }
        #[cfg(feature = "explain")]
        Endpoint::Explain => {
            operation["parameters"] = json!([{
                "name": "class",
                "in": "query",
                "description": "The class, label or number to explain; the likeliest where there is none",
                "schema": { "type": "string" },
            }]);
            operation["requestBody"] = request_body(false);
            errors.extend(of_images);
            errors.push(("501", "A model without a map to explain"));
            let mut answer = ok("application/json", object);
            answer["content"]["image/png"] = json!({ "schema": {} });
            answer
        }
        Endpoint::Ready => {
            errors.push(("503", "It stops"));
            ok("application/json", object)
        }
        Endpoint::Model | Endpoint::Health | Endpoint::OpenApi => ok("application/json", object),
    };
    responses.insert("200".into(), answer);
    for (status, words) in errors {
        let content = json!({ "application/json": { "schema": reference("Error") } });
        responses.insert(
            status.into(),
            json!({ "description": words, "content": content }),
        );
    }
    operation["responses"] = responses.into();
    operation
}

fn name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Page => "page",
        Endpoint::OpenApi => "openapi",
        other => other.path().trim_start_matches('/'),
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameters(kind: OutputKind) -> Value {
    match kind {
        OutputKind::Distribution => json!([{
            "name": "top",
            "in": "query",
            "description": "Number of classes with their probabilities",
            "schema": { "type": "integer", "minimum": 1, "default": TOP },
        }]),
        OutputKind::Indicators => json!([{
            "name": "threshold",
            "in": "query",
            "description": "From which probability on a label is predicted",
            "schema": { "type": "number", "minimum": 0, "maximum": 1, "default": THRESHOLD },
        }]),
        OutputKind::Numbers => json!([]),
    }
}

fn request_body(several: bool) -> Value {
    let mut properties = json!({ "image": reference("Image") });
    let mut file = json!({ "type": "string", "contentMediaType": "image/*" });
    if several {
        properties["images"] = json!({ "type": "array", "items": reference("Image") });
        file = json!({ "type": "array", "items": file });
    }
    json!({
        "required": true,
        "content": {
            "image/*": { "schema": {} },
            "multipart/form-data": { "schema": {
                "type": "object",
                "properties": { "image": file },
            } },
            "application/json": { "schema": { "type": "object", "properties": properties } },
        },
    })
}

fn prediction(kind: OutputKind) -> Value {
    let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let shares = json!({ "type": "object", "additionalProperties": share });
    let mut properties = match kind {
        OutputKind::Distribution => json!({
            "class": { "type": "string", "description": "The likeliest class, or `unknown` below the model's threshold" },
            "probability": share,
            "probabilities": shares,
        }),
        OutputKind::Indicators => json!({
            "labels": { "type": "array", "items": { "type": "string" } },
            "probabilities": shares,
        }),
        OutputKind::Numbers => json!({
            "numbers": { "type": "object", "additionalProperties": { "type": "number" } },
        }),
    };
    properties["familiarity"] = json!({
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "The share of held-out images that are at least as unlike the training images, of models that know it",
    });
    properties["file"] = json!({ "type": "string" });
    properties["error"] = json!({ "type": "string", "description": "In place of the others, of an image that is none" });
    properties["status"] = json!({ "type": "integer" });
    json!({ "type": "object", "properties": properties })
}
