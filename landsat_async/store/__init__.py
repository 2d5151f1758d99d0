"""Object stores in place of a folder: the target of a run whose directory is s3://, gs:// or az://. Extra `store`."""
