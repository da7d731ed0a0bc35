"""The published JSON Schema of payload B, generated from the adapter's wire models; the receiver only reads it."""
