package collector

// Waiting counts the requests that wait to be put in a group, and Closed
// reports whether Close was called.
func (c *Collector) Waiting() (n int, closed bool) {
	c.committer.mu.Lock()
	defer c.committer.mu.Unlock()
	return len(c.committer.waiting), c.committer.closed
}
