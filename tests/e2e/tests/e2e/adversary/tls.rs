//! Certificates: the upstream's, and the gate's own.
