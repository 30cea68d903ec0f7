//! Messages in the form of Protocol Buffers: as much of writing them as event files need. Which fields they have is `message.rs`'s.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding>

/// A message that is being written, field by field.
#[derive(Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// A whole number or the number of an enum's value.
    pub fn number(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    /// A `double`.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `float`.
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// `string` or `bytes`.
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// Another message.
    pub fn message(self, field: u32, value: Self) -> Self {
        self.bytes(field, value.0)
    }

    /// What is on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_encodings_own_examples() {
        let of = |message: Message| message.into_bytes();
        assert_eq!(of(Message::default().number(1, 150)), [0x08, 0x96, 0x01]);
        let testing = [0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'];
        assert_eq!(of(Message::default().bytes(2, "testing")), testing);
        let inner = Message::default().number(1, 150);
        let outer = of(Message::default().message(3, inner));
        assert_eq!(outer, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let one = of(Message::default().float(5, 1.0).double(1, 1.0));
        assert_eq!(
            one,
            [0x2d, 0, 0, 0x80, 0x3f, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]
        );
    }
}
