//! The slots through which the front and a worker hand requests and responses to each other.
