"""The way to remote places: hops, host keys, tunnels."""
