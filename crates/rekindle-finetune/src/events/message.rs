//! The messages in TensorBoard's event files, with the fields and tags that its readers look for.
//!
//! Source: TensorBoard 2.21.0, `tensorboard/compat/proto` and `plugins/hparams`.

use toml::Value;

use super::protobuf::Message;
use super::views::Picture;

/// The tag of a run's settings, and that of how it ended.
const SESSION_START: &str = "_hparams_/session_start_info";
const SESSION_END: &str = "_hparams_/session_end_info";

/// What a file begins with.
pub fn version() -> Message {
    let source = Message::default().bytes(1, "rekindle");
    Message::default()
        .bytes(3, "brain.Event:2")
        .message(10, source)
}

/// A process begins to write. Readers drop what others have written of this step and later ones, so that the epochs of a run that was
/// killed are not there twice.
pub fn session_start() -> Message {
    Message::default().message(7, Message::default().number(1, 1))
}

/// Numbers by their tags.
pub fn scalars<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Message {
    let value = |(tag, value): (&str, f64)| Message::default().bytes(1, tag).float(2, value as f32);
    summary(values.into_iter().map(value))
}

/// A text, in Markdown.
pub fn text(tag: &str, markdown: &str) -> Message {
    let one = Message::default().message(2, Message::default().number(1, 1));
    // DT_STRING
    let tensor = Message::default()
        .number(1, 7)
        .message(2, one)
        .bytes(8, markdown);
    // DATA_CLASS_TENSOR
    let metadata = plugin("text", &[]).number(4, 2);
    let value = Message::default()
        .bytes(1, format!("{tag}/text_summary"))
        .message(9, metadata)
        .message(8, tensor);
    summary([value])
}

/// A picture of three channels.
pub fn image(tag: &str, picture: &Picture) -> Message {
    let image = Message::default()
        .number(1, picture.height.into())
        .number(2, picture.width.into())
        .number(3, 3)
        .bytes(4, &picture.png);
    summary([Message::default().bytes(1, tag).message(4, image)])
}

/// The settings of a run, and when it began, in seconds since 1970.
pub fn settings(settings: &[(String, Value)], seconds: f64) -> Message {
    let mut start = Message::default();
    for (key, value) in settings {
        let value = match value {
            Value::Boolean(value) => Message::default().number(4, u64::from(*value)),
            Value::Integer(value) => Message::default().double(2, *value as f64),
            Value::Float(value) => Message::default().double(2, *value),
            Value::String(value) => Message::default().bytes(3, value),
            other => Message::default().bytes(3, other.to_string()),
        };
        start = start.message(1, Message::default().bytes(1, key).message(2, value));
    }
    hyperparameters(SESSION_START, 3, start.double(5, seconds))
}

/// A run is finished, and when. Of one that is not nothing is said: it may go on.
pub fn session_end(seconds: f64) -> Message {
    // STATUS_SUCCESS
    let end = Message::default().number(1, 1).double(2, seconds);
    hyperparameters(SESSION_END, 4, end)
}

fn hyperparameters(tag: &str, field: u32, message: Message) -> Message {
    let data = Message::default().number(1, 0).message(field, message);
    let none = Message::default().message(2, Message::default());
    // DT_FLOAT, no numbers: what the plugin itself writes.
    let tensor = Message::default().number(1, 1).message(2, none);
    let value = Message::default()
        .bytes(1, tag)
        .message(9, plugin("hparams", &data.into_bytes()))
        .message(8, tensor);
    summary([value])
}

fn plugin(name: &str, content: &[u8]) -> Message {
    let data = Message::default().bytes(1, name).bytes(2, content);
    Message::default().message(1, data)
}

fn summary(values: impl IntoIterator<Item = Message>) -> Message {
    let all = values.into_iter();
    let summary = all.fold(Message::default(), |all, value| all.message(1, value));
    Message::default().message(5, summary)
}
