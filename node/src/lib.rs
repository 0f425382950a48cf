//! The node of heck: drives `heck-core` over real sockets.
