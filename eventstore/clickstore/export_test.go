package clickstore

import (
	"context"

	"github.com/ClickHouse/ch-go/proto"
)

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

// Databases lists databases whose names begin so.
func (s *Store) Databases(ctx context.Context, prefix string) (names []string, err error) {
	var name proto.ColStr
	statement := "SELECT name FROM system.databases WHERE startsWith(name, " + quoteText(prefix) + ")"
	err = s.client.query(ctx, statement, nil, proto.Results{{Data: &name}}, func() error {
		for i := range name.Rows() {
			names = append(names, name.Row(i))
		}
		return nil
	})
	return names, err
}
