//! Conversion of names between snake case and Pascal case.

use proc_macro2::Span;
use syn::{Ident, ext::IdentExt as _};

/// The name without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// `HttpServer2` → `http_server2`, `TCPConn` → `tcp_conn`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<_> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (i, c) in chars.iter().enumerate() {
        if c.is_uppercase() {
            let before = i.checked_sub(1).and_then(|before| chars.get(before));
            let ends_a_word = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
            let begins_a_word = before.is_some_and(|before| before.is_uppercase())
                && chars.get(i + 1).is_some_and(|after| after.is_lowercase());
            if ends_a_word || begins_a_word {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else {
            out.push(*c);
        }
    }
    out
}

/// `power_off` → `PowerOff`.
pub(crate) fn pascal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            out.extend(first.to_uppercase());
        }
        out.push_str(chars.as_str());
    }
    out
}

/// The snake case identifier for a module or method named after a type: raw if it is a keyword, with `_` appended if it cannot
/// be raw (`crate`, `self`, `super`).
pub(crate) fn snake_ident(of: &Ident) -> Ident {
    let name = snake(&plain(of));
    ident(&name, of.span()).unwrap_or_else(|| Ident::new(&format!("{name}_"), of.span()))
}

/// The identifier `name`, raw if it is a keyword. Returns `None` if `name` is not an identifier.
pub(crate) fn ident(name: &str, span: Span) -> Option<Ident> {
    let plain = syn::parse_str::<Ident>(name);
    let raw = || syn::parse_str::<Ident>(&format!("r#{name}"));
    plain.or_else(|_| raw()).ok().map(|mut ident| {
        ident.set_span(span);
        ident
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_between_cases() {
        for (camel, expected) in [
            ("Server", "server"),
            ("HttpServer2", "http_server2"),
            ("TCPConn", "tcp_conn"),
            ("Ec2State", "ec2_state"),
            ("ÄrgerMachine", "ärger_machine"),
        ] {
            assert_eq!(snake(camel), expected);
        }
        for (camel, expected) in [("Type", "r#type"), ("Match", "r#match"), ("Crate", "crate_"), ("Super", "super_")] {
            assert_eq!(snake_ident(&Ident::new(camel, Span::call_site())).to_string(), expected);
        }
        assert_eq!(pascal("power_off"), "PowerOff");
        assert_eq!(pascal("syn_ack2"), "SynAck2");
    }
}
