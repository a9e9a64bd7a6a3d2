package duckstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// persons says whose an identity is. Event rows carry the identity alone, so that a
// merge of two people touches no event row: it changes a row of the small table
// identities, and here, in the memory, an entry.
//
// A persons never changes: with makes another, which shares what is the same.
// Questions keep the one that belongs to the commit that they see.
type persons struct {
	pages   []*personPage // by identity / pageSize
	highest uint32        // of all identities and persons
}

const (
	pageSize = 4096
	pageBits = pageSize / 64
)

type personPage struct {
	person [pageSize]uint32 // of one that has no entry: itself
	known  [pageBits]uint64 // identities that have an entry
	moved  [pageBits]uint64 // those of them who are not the person of their own number
}

func newPersonPage(number uint32) *personPage {
	page := &personPage{}
	for i := range page.person {
		page.person[i] = number*pageSize + uint32(i)
	}
	return page
}

// of is the person of an identity.
func (p *persons) of(identity uint32) (person uint32, known bool) {
	page, at := identity/pageSize, identity%pageSize
	if int(page) >= len(p.pages) || p.pages[page] == nil || p.pages[page].known[at/64]&(1<<(at%64)) == 0 {
		return identity, false
	}
	return p.pages[page].person[at], true
}

// ofAll are the persons of identities, in memory that is used again.
func (p *persons) ofAll(identities, into []uint32) []uint32 {
	into = slices.Grow(into[:0], len(identities))[:len(identities)]
	for i, identity := range identities {
		into[i] = identity
		if page := int(identity / pageSize); page < len(p.pages) && p.pages[page] != nil {
			into[i] = p.pages[page].person[identity%pageSize]
		}
	}
	return into
}

// with is p with some identities at other persons.
func (p *persons) with(changes map[uint32]uint32) *persons {
	if len(changes) == 0 {
		return p
	}
	out := &persons{pages: slices.Clone(p.pages), highest: p.highest}
	own := map[uint32]bool{} // pages that p does not have
	for identity, person := range changes {
		n := identity / pageSize
		if int(n) >= len(out.pages) {
			out.pages = append(out.pages, make([]*personPage, int(n)+1-len(out.pages))...)
		}
		if !own[n] {
			own[n] = true
			page := newPersonPage(n)
			if out.pages[n] != nil {
				*page = *out.pages[n]
			}
			out.pages[n] = page
		}
		out.pages[n].set(identity, person)
		out.highest = max(out.highest, identity, person)
	}
	return out
}

func (g *personPage) set(identity, person uint32) {
	at := identity % pageSize
	word, bit := at/64, uint64(1)<<(at%64)
	g.person[at] = person
	g.known[word] |= bit
	g.moved[word] &^= bit
	if person != identity {
		g.moved[word] |= bit
	}
}

// join adds the people that a set of identities is to a set, which has room for all.
// The set of identities is a bit string of the engine: see readSet.
func (p *persons) join(to set, identities []byte) error {
	return readSet(identities, func(word int, those uint64) {
		var moved uint64
		page := word / pageBits
		if page < len(p.pages) && p.pages[page] != nil {
			moved = those & p.pages[page].moved[word%pageBits]
		}
		to[word] |= those &^ moved
		for ; moved != 0; moved &= moved - 1 {
			person := p.pages[page].person[word%pageBits*64+bits.TrailingZeros64(moved)]
			to[person/64] |= 1 << (person % 64)
		}
	})
}

// readSet calls fn for each word of a bit string of the engine that has any bit: the
// number of bits that pad its first byte, which is 0 here, and a bit for each number
// from 0, the highest of a byte first. It has whole words.
func readSet(bitstring []byte, fn func(word int, those uint64)) error {
	if len(bitstring) == 0 || bitstring[0] != 0 || len(bitstring)%8 != 1 {
		return fmt.Errorf("a set has %d bytes", len(bitstring))
	}
	for word := range len(bitstring) / 8 {
		if those := bits.Reverse64(binary.BigEndian.Uint64(bitstring[1+8*word:])); those != 0 {
			fn(word, those)
		}
	}
	return nil
}

// readPersons reads the table identities.
func (w *workspace) readPersons(ctx context.Context) (*persons, error) {
	rows, err := w.conn.QueryContext(ctx, "SELECT identity, person FROM "+w.schema+".identities")
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	p := &persons{}
	err = scan(rows, func() error {
		var identity, person uint32
		if err := rows.Scan(&identity, &person); err != nil {
			return err
		}
		for int(identity/pageSize) >= len(p.pages) {
			p.pages = append(p.pages, nil)
		}
		page := &p.pages[identity/pageSize]
		if *page == nil {
			*page = newPersonPage(identity / pageSize)
		}
		if _, known := p.of(identity); known {
			return fmt.Errorf("identity %d is there twice", identity) // its rows would count twice
		}
		(*page).set(identity, person)
		p.highest = max(p.highest, identity, person)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return p, nil
}

// appendIdentities adds those that were not known.
func (w *workspace) appendIdentities(b *rows) error {
	return w.append("identities", len(b.arrived), func(i int, s *sheet) {
		put(s, 0, b.arrived[i])
		put(s, 1, b.persons[b.arrived[i]])
	})
}

// moveIdentities changes those that were known.
func (w *workspace) moveIdentities(b *rows) error {
	statement := "UPDATE " + w.schema + ".identities SET person = m.b FROM moved m WHERE identity = m.a"
	err := w.run(statement, "moved", []duckdb.Type{duckdb.TYPE_UINTEGER, duckdb.TYPE_UINTEGER}, len(b.moved), func(i int, s *sheet) {
		put(s, 0, b.moved[i])
		put(s, 1, b.persons[b.moved[i]])
	})
	if err != nil {
		return fmt.Errorf("move identities: %w", err)
	}
	return nil
}

// census lets the engine count people in sets of identities: the function
// people_in(set, number), where the number is that of a persons lent to it.
type census struct {
	last atomic.Uint64
	lent sync.Map // number -> *persons
}

// lend returns the number of p, and what takes it back.
func (c *census) lend(p *persons) (number uint64, back func()) {
	number = c.last.Add(1)
	c.lent.Store(number, p)
	return number, func() { c.lent.Delete(number) }
}

// register makes the function known to the engine.
func (c *census) register(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := duckdb.RegisterScalarUDF(conn, "people_in", c); err != nil {
		return fmt.Errorf("register function: %w", err)
	}
	return nil
}

// Config implements duckdb.ScalarFunc.
func (c *census) Config() duckdb.ScalarFuncConfig {
	set, errSet := duckdb.NewTypeInfo(duckdb.TYPE_BIT)
	number, errNumber := duckdb.NewTypeInfo(duckdb.TYPE_UBIGINT)
	count, errCount := duckdb.NewTypeInfo(duckdb.TYPE_BIGINT)
	if errors.Join(errSet, errNumber, errCount) != nil {
		return duckdb.ScalarFuncConfig{} // which registering refuses
	}
	return duckdb.ScalarFuncConfig{InputTypeInfos: []duckdb.TypeInfo{set, number}, ResultTypeInfo: count}
}

// Executor implements duckdb.ScalarFunc.
func (c *census) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{RowExecutor: c.count}
}

func (c *census) count(values []driver.Value) (any, error) {
	identities, isSet := values[0].(duckdb.Bit)
	number, isNumber := values[1].(uint64)
	if !isSet || !isNumber {
		return nil, fmt.Errorf("count people in a %T, with a %T", values[0], values[1])
	}
	p, ok := c.lent.Load(number)
	if !ok {
		return nil, errors.New("count people: the persons were taken back")
	}
	persons := p.(*persons)
	people := newSet(persons.highest)
	err := persons.join(people, identities.Data)
	return people.size(), err
}
