package sqlitequeue

// CheckWhileOpen makes every file one that is too large to be checked before it
// is used.
func (o *Options) CheckWhileOpen() *Options {
	o.checkLimit = 1
	return o
}
