//! UTF-8 from chunks that may end inside a character.
//!
//! What is not UTF-8 becomes U+FFFD, as everywhere else: a binary file then has strange
//! statistics, but it has some.

/// Holds back the bytes of an unfinished character between two chunks.
#[derive(Default)]
pub(super) struct Decoder {
    /// At most three bytes: the beginning of a character.
    pending: Vec<u8>,
}

impl Decoder {
    /// Takes the next chunk and gives its characters to `take`.
    pub(super) fn push(&mut self, chunk: &[u8], take: &mut impl FnMut(char)) {
        if self.pending.is_empty() {
            self.decode(chunk, take);
        } else {
            // Rare enough (once per chunk at most) that a copy is the simplest way.
            let mut joined = std::mem::take(&mut self.pending);
            joined.extend_from_slice(chunk);
            self.decode(&joined, take);
        }
    }

    /// Takes the end of the text: an unfinished character is a broken one.
    pub(super) fn finish(&mut self, take: &mut impl FnMut(char)) {
        if !std::mem::take(&mut self.pending).is_empty() {
            take(char::REPLACEMENT_CHARACTER);
        }
    }

    fn decode(&mut self, mut bytes: &[u8], take: &mut impl FnMut(char)) {
        loop {
            let error = match std::str::from_utf8(bytes) {
                Ok(text) => {
                    text.chars().for_each(take);
                    return;
                }
                Err(error) => error,
            };
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            let valid = std::str::from_utf8(valid).expect("valid_up_to ends where it is valid");
            valid.chars().for_each(&mut *take);
            match error.error_len() {
                None => {
                    self.pending = rest.to_vec();
                    return;
                }
                Some(length) => {
                    take(char::REPLACEMENT_CHARACTER);
                    bytes = &rest[length..];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> String {
        let mut text = String::new();
        let mut decoder = Decoder::default();
        for chunk in chunks {
            decoder.push(chunk, &mut |character| text.push(character));
        }
        decoder.finish(&mut |character| text.push(character));
        text
    }

    #[test]
    fn a_character_may_be_split_anywhere() {
        let bytes = "a🦀é".as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(decode(&parts), "a🦀é");
            }
        }
    }

    #[test]
    fn broken_bytes_become_replacement_characters() {
        assert_eq!(decode(&[b"a\xffb"]), "a\u{fffd}b");
        assert_eq!(decode(&[b"a\xf0\x9f"]), "a\u{fffd}");
        assert_eq!(decode(&[b"a\xf0", b"b"]), "a\u{fffd}b");
    }
}
