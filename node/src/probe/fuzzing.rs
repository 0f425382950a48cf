//! What fuzz targets reach of probes.

/// Reads bytes as the answer of a gRPC server.
pub fn health_answer(bytes: &[u8]) {
    let _ = super::grpc_message::answer(bytes);
}
