"""Plain KVM hosts: `connect` here is light, and libvirt is loaded by the first connection."""
