"""The core: what a message is, how it is kept, decided and delivered. It knows no platform and no model."""
