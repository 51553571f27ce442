"""Tables and rules on CUDA builds, drivers, GPUs and libraries; pure."""
