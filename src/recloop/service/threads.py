import os

LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def pin_native_threads() -> None:
    """One thread per call into BLAS and OpenMP, unless the environment says otherwise.

    A request's matrices are small: threads that wait for each other on a busy machine turn a quarter of a millisecond
    into a hundred. The libraries read this when they are loaded, so it is called before NumPy is imported.
    """
    for name in LIBRARIES:
        os.environ.setdefault(name, "1")
