package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of formulas.
const (
	MaxFormulas   = 26
	MaxExpression = 1_000 // bytes

	maxExpressionDepth = 50 // of parentheses and signs
)

// Formula is a line that is computed from series, bucket by bucket and from their
// totals.
type Formula struct {
	Name string
	Of   *Expression
}

// Expression is a number, a series, or an operation on two expressions.
type Expression struct {
	Op          byte        // '+', '-', '*' or '/'; 'n' for a number, 's' for a series
	Number      float64     // of 'n'
	Series      int         // of 's': its index in Trends
	Left, Right *Expression // of an operation
}

// Value computes the expression. What is made of None is None, and so is what is
// no finite number, such as a division by 0.
func (e *Expression) Value(series func(int) Real) Real {
	switch e.Op {
	case 'n':
		return Real(e.Number)
	case 's':
		return series(e.Series)
	}
	left, right := e.Left.Value(series), e.Right.Value(series)
	var v Real
	switch e.Op {
	case '+':
		v = left + right
	case '-':
		v = left - right
	case '*':
		v = left * right
	case '/':
		v = left / right
	}
	if math.IsInf(float64(v), 0) {
		return None
	}
	return v
}

// series adds the indexes of the series that e names to the set.
func (e *Expression) series(set map[int]bool) {
	switch e.Op {
	case 'n':
	case 's':
		set[e.Series] = true
	default:
		e.Left.series(set)
		e.Right.series(set)
	}
}

// readExpression reads a formula over series, whose indexes are given by name:
//
//	sum     = product { ("+" | "-") product }
//	product = factor { ("*" | "/") factor }
//	factor  = "-" factor | "(" sum ")" | number | name
//
// A name is letters, digits and underscores and does not begin with a digit; any
// other stands in double quotes. The error is a sentence without its end that says
// where the formula is wrong.
func readExpression(text string, series map[string]int) (*Expression, error) {
	r := &expressionReader{text: text, series: series}
	e, err := r.sum()
	if err != nil {
		return nil, err
	}
	if r.next(); r.at < len(r.text) {
		return nil, r.wrong("there must be an operator (+ - * /) or the end")
	}
	return e, nil
}

type expressionReader struct {
	text   string
	at     int
	depth  int
	series map[string]int
}

// wrong is an error at the reader's place.
func (r *expressionReader) wrong(format string, args ...any) error {
	return fmt.Errorf("at character %d %s", utf8.RuneCountInString(r.text[:r.at])+1, fmt.Sprintf(format, args...))
}

// next skips spaces and is the next byte, or 0 at the end.
func (r *expressionReader) next() byte {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *expressionReader) sum() (*Expression, error) {
	return r.chain('+', '-', r.product)
}

func (r *expressionReader) product() (*Expression, error) {
	return r.chain('*', '/', r.factor)
}

// chain reads what two operators of one rank join, from left to right.
func (r *expressionReader) chain(a, b byte, part func() (*Expression, error)) (*Expression, error) {
	left, err := part()
	for err == nil {
		op := r.next()
		if op != a && op != b {
			break
		}
		r.at++
		var right *Expression
		right, err = part()
		left = &Expression{Op: op, Left: left, Right: right}
	}
	return left, err
}

func (r *expressionReader) factor() (*Expression, error) {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > maxExpressionDepth {
		return nil, r.wrong("it is nested deeper than %d levels", maxExpressionDepth)
	}
	switch c := r.next(); {
	case c == '-':
		r.at++
		of, err := r.factor()
		return &Expression{Op: '-', Left: &Expression{Op: 'n'}, Right: of}, err
	case c == '(':
		r.at++
		e, err := r.sum()
		if err == nil && r.next() != ')' {
			err = r.wrong("there must be a closing parenthesis")
		}
		r.at++
		return e, err
	case c >= '0' && c <= '9' || c == '.':
		return r.number()
	}
	return r.name()
}

func (r *expressionReader) number() (*Expression, error) {
	rest := r.text[r.at:]
	end := strings.IndexFunc(rest, func(c rune) bool { return c != '.' && (c < '0' || c > '9') })
	if end < 0 {
		end = len(rest)
	}
	f, err := strconv.ParseFloat(rest[:end], 64)
	if err != nil {
		return nil, r.wrong("there must be a number such as 100 or 0.5")
	}
	r.at += end
	return &Expression{Op: 'n', Number: f}, nil
}

func (r *expressionReader) name() (*Expression, error) {
	rest := r.text[r.at:]
	var name string
	var end int
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		var closed bool
		if name, _, closed = strings.Cut(quoted, `"`); !closed {
			return nil, r.wrong("a quoted name must end with a quote")
		}
		end = len(name) + 2
	} else {
		end = strings.IndexFunc(rest, func(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) })
		if end < 0 {
			end = len(rest)
		}
		if name = rest[:end]; name == "" {
			return nil, r.wrong("there must be a number, the name of a series, or an opening parenthesis")
		}
	}
	i, ok := r.series[name]
	if !ok {
		return nil, r.wrong("there is no series %q; names that are not one word stand in double quotes", clip(name))
	}
	r.at += end
	return &Expression{Op: 's', Series: i}, nil
}
