"""The reference CSOR receiver: what the registry's end of channel B must do, small enough to be read in one sitting.

It takes batches of payload B, checks them against the published JSON Schema, and applies each batch wholly or not at
all. It imports nothing else of the adapter and knows the wire only through `schema/csor-payload.schema.json`, so that
it cannot agree with the adapter's own mistakes. It must not interpret clinical content.
"""

from adapter.receiver.serve import running, serve
from adapter.receiver.settings import Settings, SettingsError, Tls, load_settings

__all__ = ["Settings", "SettingsError", "Tls", "load_settings", "running", "serve"]
