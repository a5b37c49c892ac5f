"""What the files of a release are called."""

FORMAT = 1
RELEASE, CHECKSUMS = "release.json", "checksums.json"
ITEMS, VECTORS = "items.parquet", "vectors.npz"
STRATEGIES, OBJECTIVES = "strategies", "objectives"
MODELS, MODEL = "models", ".lightgbm"
