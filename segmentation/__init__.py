"""Volume and prompt to mask: the embedded engines, adapters and routing by concept."""
