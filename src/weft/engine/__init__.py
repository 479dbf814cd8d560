"""Device, memory, FFT, resampling: the only place that knows where arrays live."""
