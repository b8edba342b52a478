//! Structure that holds where detectors miss: boundaries, datamarking, reserved chat-template tokens.
