//! L2: a small int8 transformer over the worst windows of the uncertain band.
