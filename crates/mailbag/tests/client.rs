//! The whole client against our own server sessions over real loopback sockets.

#[cfg(test)]
#[path = "client/commands.rs"]
mod commands;
#[cfg(test)]
#[path = "client/journey.rs"]
mod journey;
#[cfg(test)]
#[path = "client/post.rs"]
mod post;
