//! Data channels of one peer: SCTP (RFC 8831) and DCEP (RFC 8832), sans-IO.
