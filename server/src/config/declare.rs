//! How a setting is declared, once, and what the declaration becomes: a typed field with its default,
//! and something that every source can be asked about.

use super::error::ConfigError;
use super::value::Value;

/// What is said of a setting besides its type and default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    /// The flag without its dashes, and the key in the file.
    pub(super) name: &'static str,
    /// What help calls the value.
    pub(super) value_name: &'static str,
    /// The help, line by line.
    pub(super) help: &'static [&'static str],
}

/// A source of settings, or somebody else who has to see them all.
pub(super) trait Visitor {
    /// Sees one setting. Whatever is put into `value` has passed `rule`.
    fn visit<T: Value>(
        &mut self,
        setting: &Declared,
        value: &mut T,
        rule: impl Fn(&T) -> Result<(), String>,
    ) -> Result<(), ConfigError>;
}

/// The settings of one part of the server.
pub(super) trait Area {
    fn visit(&mut self, visitor: &mut impl Visitor) -> Result<(), ConfigError>;
}

/// Declares an area's settings, each as
///
/// ```text
/// /// What help and rustdoc say of it
/// pub field: Type = default, "flag-name", "VALUE NAME", rule;
/// ```
///
/// The rule may be left out. It is given the value, and says what is wrong with it.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $area:ident {
            $(
                $(#[doc = $help:literal])+
                pub $field:ident: $type:ty = $default:expr, $name:literal, $value_name:literal $(, $rule:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $area {
            $($(#[doc = $help])+ pub $field: $type,)+
        }

        impl Default for $area {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $crate::config::declare::Area for $area {
            fn visit(
                &mut self,
                visitor: &mut impl $crate::config::declare::Visitor,
            ) -> Result<(), $crate::config::error::ConfigError> {
                $(visitor.visit(
                    &$crate::config::declare::Declared {
                        name: $name,
                        value_name: $value_name,
                        help: &[$($help),+],
                    },
                    &mut self.$field,
                    $crate::config::declare::rule!($($rule)?),
                )?;)+
                Ok(())
            }
        }
    };
}

/// A setting's rule, or none.
macro_rules! rule {
    () => {
        |_| Ok(())
    };
    ($rule:expr) => {
        $rule
    };
}

pub(super) use {rule, settings};
