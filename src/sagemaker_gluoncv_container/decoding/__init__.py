"""From encoded bytes to an RGB picture; training, validation, serving and preparing all come through here."""
