"""Where machines live: a Kubernetes context or a libvirt connection."""
