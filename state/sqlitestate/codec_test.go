package sqlitestate

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/weirhq/weir"
)

func sampleIdentity() *weir.Identity {
	i := &weir.Identity{Authenticated: true, CreatedAt: 1, FirstSeen: -2, LastSeen: 1_700_000_000_000_000,
		Edges: []weir.Edge{{From: "a", To: "b", At: 5, Item: "x", Rule: weir.RuleAlias}}}
	i.Traits.Set(weir.Stamp{At: 3, Item: "i"}, weir.Property{Name: "age", Value: weir.Num(1)}, weir.Property{Name: "plan", Value: weir.Text("pro")},
		weir.Property{Name: "tags", Value: weir.Raw("[]")}, weir.Property{Name: "vip", Value: weir.Boolean(true)}, weir.Property{Name: "was"})
	return i
}

func sampleSession() *weir.Session {
	s := &weir.Session{User: "u", Device: "d", StartedAt: 1, LastSeen: 2}
	s.Fields.Set(weir.Stamp{At: 4, Item: "j"}, weir.Property{Name: "utm_source", Value: weir.Text("news")})
	return s
}

// Documents that are on disks must stay readable: docs/format/state.md.
func TestDocumentsOnDisk(t *testing.T) {
	const (
		identity = "01" + "01" + "02" + "03" + "8080f28183898506" + // version, authenticated, three times
			"01" + "0161" + "0162" + "0a" + "0178" + "0a757365725f616c696173" + // one edge
			"01" + "01" + "06" + "0169" + "05" + // fields: version, one stamp, five fields
			"03616765" + "02" + "000000000000f03f" + "00" + "04706c616e" + "01" + "0370726f" + "00" +
			"0474616773" + "04" + "025b5d" + "00" + "03766970" + "03" + "01" + "00" + "03776173" + "00" + "00"
		session = "01" + "0175" + "0164" + "02" + "04" + "01" + "01" + "08" + "016a" + "01" +
			"0a75746d5f736f75726365" + "01" + "046e657773" + "00"
	)
	i, s := sampleIdentity(), sampleSession()
	doc, _ := appendIdentity(nil, i)
	if got := hex.EncodeToString(doc); got != identity {
		t.Errorf("identity is written as %s", got)
	}
	if doc, _ = appendSession(nil, s); hex.EncodeToString(doc) != session {
		t.Errorf("session is written as %x", doc)
	}
	var readI weir.Identity
	var readS weir.Session
	for text, read := range map[string]func([]byte) error{
		identity: func(b []byte) error { return readIdentity(b, &readI) },
		session:  func(b []byte) error { return readSession(b, &readS) },
	} {
		doc, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc {
			if err := read(doc[:n]); err == nil {
				t.Errorf("the first %d of %d bytes were taken for a document", n, len(doc))
			}
		}
		readI, readS = weir.Identity{}, weir.Session{}
		if err := read(doc); err != nil {
			t.Error(err)
		}
		if text == identity && !reflect.DeepEqual(&readI, i) || text == session && !reflect.DeepEqual(&readS, s) {
			t.Errorf("read %+v, %+v", readI, readS)
		}
	}
}

func FuzzDocuments(f *testing.F) {
	identity, _ := appendIdentity(nil, sampleIdentity())
	session, _ := appendSession(nil, sampleSession())
	f.Add(identity)
	f.Add(session)
	f.Fuzz(func(t *testing.T, doc []byte) {
		var i weir.Identity
		if readIdentity(doc, &i) == nil {
			first, _ := appendIdentity(nil, &i)
			var again weir.Identity
			if err := readIdentity(first, &again); err != nil {
				t.Fatal(err)
			}
			if second, _ := appendIdentity(nil, &again); !bytes.Equal(first, second) {
				t.Fatal("an identity changes when it is read and written")
			}
		}
		var s weir.Session
		if readSession(doc, &s) == nil {
			first, _ := appendSession(nil, &s)
			var again weir.Session
			if err := readSession(first, &again); err != nil {
				t.Fatal(err)
			}
			if second, _ := appendSession(nil, &again); !bytes.Equal(first, second) {
				t.Fatal("a session changes when it is read and written")
			}
		}
	})
}
