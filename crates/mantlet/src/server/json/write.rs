//! JSON written straight into the buffer that leaves.

/// A JSON text under construction. It adds commas; whoever writes sees to it that brackets match.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// An empty text with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes) }
    }

    /// The text.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }

    /// Length so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Opens an object as the next value.
    pub fn object(&mut self) {
        self.comma();
        self.buffer.push(b'{');
    }

    /// Closes an object.
    pub fn end_object(&mut self) {
        self.buffer.push(b'}');
    }

    /// Opens an array as the next value.
    pub fn array(&mut self) {
        self.comma();
        self.buffer.push(b'[');
    }

    /// Closes an array.
    pub fn end_array(&mut self) {
        self.buffer.push(b']');
    }

    /// A member's key. Keys are our own words and need no escapes.
    pub fn key(&mut self, key: &'static str) {
        self.comma();
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }

    /// A member's key that came from a model.
    pub fn name(&mut self, key: &str) {
        self.string(key);
        self.buffer.push(b':');
    }

    /// A member that is a string.
    pub fn member(&mut self, key: &'static str, text: &str) {
        self.key(key);
        self.string(text);
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.comma();
        self.buffer.push(b'"');
        self.escape(text);
        self.buffer.push(b'"');
    }

    /// A double; `null` for what JSON has no number for.
    pub fn double(&mut self, value: f64) {
        self.comma();
        if value.is_finite() {
            self.buffer.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.buffer.extend_from_slice(b"null");
        }
    }

    /// A float in as few digits as tell it from its neighbors; `null` for what JSON has no number for.
    pub fn float(&mut self, value: f32) {
        self.comma();
        if value.is_finite() {
            self.buffer.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.buffer.extend_from_slice(b"null");
        }
    }

    /// An integer.
    pub fn integer(&mut self, value: impl itoa::Integer) {
        self.comma();
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        self.comma();
        self.buffer.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Nothing.
    pub fn null(&mut self) {
        self.comma();
        self.buffer.extend_from_slice(b"null");
    }

    /// A comma, unless this value is the first of its array or object, a member's value, or the whole text.
    fn comma(&mut self) {
        if !matches!(self.buffer.last(), None | Some(b'{' | b'[' | b':')) {
            self.buffer.push(b',');
        }
    }

    fn escape(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for byte in text.bytes() {
            match byte {
                b'"' => self.buffer.extend_from_slice(b"\\\""),
                b'\\' => self.buffer.extend_from_slice(b"\\\\"),
                b'\n' => self.buffer.extend_from_slice(b"\\n"),
                b'\r' => self.buffer.extend_from_slice(b"\\r"),
                b'\t' => self.buffer.extend_from_slice(b"\\t"),
                0..0x20 => {
                    self.buffer.extend_from_slice(b"\\u00");
                    self.buffer.push(HEX[usize::from(byte >> 4)]);
                    self.buffer.push(HEX[usize::from(byte & 15)]);
                }
                _ => self.buffer.push(byte),
            }
        }
    }
}
