//! The HTTP front: sockets, limits, and the queue of requests for PHP.
