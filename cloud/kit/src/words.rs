//! How is a closed list of words written in Rust: one line per word, from which everything else follows.

/// Declares an enum whose variants are words on the wire and in the store.
///
/// The enum reads and writes itself with serde, prints itself, becomes a `Value`, and knows `ALL` its variants.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $( $(#[$doc])* #[serde(rename = $text)] $variant, )* }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The word as it is sent and stored.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $( $text => Some(Self::$variant), )* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl From<$name> for $crate::words::Value {
            fn from(word: $name) -> Self { word.as_str().into() }
        }
    };
}

#[doc(hidden)]
pub use parsimony_model::Value;

#[cfg(test)]
mod tests {
    words! {
        /// Colours.
        pub enum Colour {
            /// Red.
            Red = "RED",
            /// Green.
            Green = "GREEN",
        }
    }

    #[test]
    fn words_go_round() {
        for colour in Colour::ALL {
            assert_eq!(Colour::parse(colour.as_str()), Some(*colour));
            assert_eq!(serde_json::to_string(colour).unwrap(), format!("\"{colour}\""));
        }
        assert_eq!(Colour::parse("red"), None);
        let error = serde_json::from_str::<Colour>("\"BLUE\"").unwrap_err().to_string();
        assert!(error.contains("`RED` or `GREEN`"), "{error}");
    }
}
