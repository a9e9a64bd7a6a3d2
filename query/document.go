package query

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// node is one JSON value of a question with its path, so that whatever reads it
// later can say where it stands.
type node struct {
	path   string
	kind   jsontext.Kind // one of n f t " 0 { [
	text   string        // of a string; of a number as it was written
	names  []string      // of an object's members, in their order
	values []*node       // of an object's members, or a list's elements
}

// get is a member of an object, or nil if it is absent or null: a question that
// says null asks for the default.
func (n *node) get(name string) *node {
	if i := slices.Index(n.names, name); i >= 0 && n.values[i].kind != jsontext.KindNull {
		return n.values[i]
	}
	return nil
}

// child is the path of a member of n.
func (n *node) child(name string) string {
	if n.path == "" {
		return clip(name)
	}
	return n.path + "." + clip(name)
}

// readDocument reads the bytes of a question into nodes. It uses jsontext
// because that refuses duplicate names and invalid UTF-8: encoding/json would
// take the last of the names and put U+FFFD for the bytes, and answer another
// question than the one that was asked.
func readDocument(question []byte) (*node, *weir.Error) {
	if len(question) > MaxQuestion {
		return nil, invalid("", "The question has %d bytes; the limit is %d.", len(question), MaxQuestion)
	}
	d := jsontext.NewDecoder(bytes.NewReader(question))
	root, fault := readNode(d, "", 0)
	if fault != nil {
		return nil, fault
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, invalid("", "The question must be one JSON object with nothing behind it.")
	}
	return root, nil
}

func readNode(d *jsontext.Decoder, path string, depth int) (*node, *weir.Error) {
	if depth > maxNesting {
		return nil, invalid(path, "The question is nested deeper than %d levels.", maxNesting)
	}
	token, err := d.ReadToken()
	if err != nil {
		return nil, notJSON(err, path)
	}
	n := &node{path: path, kind: token.Kind()}
	switch n.kind {
	case jsontext.KindString, jsontext.KindNumber:
		n.text = token.String()
	case jsontext.KindBeginObject:
		return n, readMembers(d, n, depth)
	case jsontext.KindBeginArray:
		return n, readElements(d, n, depth)
	}
	return n, nil
}

func readMembers(d *jsontext.Decoder, n *node, depth int) *weir.Error {
	for {
		token, err := d.ReadToken()
		if err != nil {
			return notJSON(err, n.path)
		}
		if token.Kind() == jsontext.KindEndObject {
			return nil
		}
		name := token.String()
		value, fault := readNode(d, n.child(name), depth+1)
		if fault != nil {
			return fault
		}
		n.names, n.values = append(n.names, name), append(n.values, value)
	}
}

func readElements(d *jsontext.Decoder, n *node, depth int) *weir.Error {
	for d.PeekKind() != jsontext.KindEndArray {
		value, fault := readNode(d, fmt.Sprintf("%s[%d]", n.path, len(n.values)), depth+1)
		if fault != nil {
			return fault
		}
		n.values = append(n.values, value)
	}
	if _, err := d.ReadToken(); err != nil {
		return notJSON(err, n.path)
	}
	return nil
}

// notJSON says what is wrong with the text of a question.
func notJSON(err error, path string) *weir.Error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		name := syntax.JSONPointer.LastToken()
		return invalid((&node{path: path}).child(name), "The field %q is there twice; say it once.", clip(name))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid(path, "The question must be a whole JSON object; it ends too early.")
	case errors.As(err, &syntax):
		return invalid(path, "The question must be valid JSON: %v at byte %d.", syntax.Err, syntax.ByteOffset)
	}
	return invalid(path, "The question must be valid JSON.")
}

// clip shortens what a question said to what fits into an error.
func clip(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	cut := limit
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Codes of errors about a question. Every error that Parse gives has the first; an
// engine gives the second where a question needs more memory than it may have.
const (
	CodeInvalid  = "invalid_question"
	CodeTooLarge = "question_too_large"
)

func invalid(path, format string, args ...any) *weir.Error {
	return &weir.Error{Code: CodeInvalid, Field: path, Message: fmt.Sprintf(format, args...)}
}
