//! The directory over a real store.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod login;
#[cfg(test)]
mod support;
