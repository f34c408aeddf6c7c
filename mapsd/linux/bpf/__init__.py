"""BPF iterators: programs that the running kernel relocates and checks, loaded by nothing but bpf(2)."""
