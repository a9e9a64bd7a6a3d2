package clickstore

import "context"

// What tests of the package need to see of it.
var (
	Definition  = definition
	Refused     = refused
	ExceptionIn = exceptionIn
	QuoteText   = quoteText
)

// Exec runs a statement without an answer, with settings.
func (s *Store) Exec(ctx context.Context, statement string, set map[string]string) error {
	return s.client.exec(ctx, statement, set)
}
