"""The only rooms that touch network, disk, clock and processes; nothing here decides."""
