package duckstore

// checkFile looks at a file before the engine does.
func checkFile(string) error { return nil }
