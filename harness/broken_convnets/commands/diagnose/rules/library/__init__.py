"""Failures inside of libraries: detectors, metrics, memory, devices and distributed training."""
