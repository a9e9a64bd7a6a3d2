package rabbitqueue

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// maxMessage is what RabbitMQ 4 takes with its default settings.
const maxMessage = 16 << 20

// unnumbered stands in the header of a frame on its way, where the sequence
// number of its first record will be.
const unnumbered = 1

// frameType is the type of messages that carry a frame.
const frameType = "weir.frame"

// message is a frame on its way to the broker.
type message struct {
	partition int
	amqp      amqp.Publishing
}

func newMessage(b frame.Body, at weir.Micros) message {
	var id FrameID
	_, _ = rand.Read(id[:]) // never fails
	return message{b.Partition, amqp.Publishing{
		DeliveryMode: amqp.Persistent,
		Type:         frameType,
		MessageId:    id.String(),
		Body:         frame.Seal(b, unnumbered, at),
	}}
}

// String is the id in hexadecimal, as it stands in the message.
func (id FrameID) String() string { return hex.EncodeToString(id[:]) }

// idOf is a message's id. One that is not ours has the hash of its bytes for an
// id, so that it gets the same number each time; its copies are taken for it.
func idOf(messageID string, body []byte) FrameID {
	var id FrameID
	if len(messageID) == hex.EncodedLen(len(id)) {
		if _, err := hex.Decode(id[:], []byte(messageID)); err == nil {
			return id
		}
	}
	sum := sha256.Sum256(append([]byte(messageID+"\x00"), body...))
	copy(id[:], sum[:])
	return id
}

// entry is a frame in a consumer's hands. What is below the line changes under
// the consumer's mutex.
type entry struct {
	part    *part
	id      FrameID
	header  frame.Header // First is known once it is placed
	body    []byte       // nil if damaged
	bytes   int64
	records int
	damage  error // why it is no frame; it wraps frame.ErrCorrupt
	arrived time.Time
	// --
	held  *registration // from which the message came; nil once that has ended
	tag   uint64
	place Place
}

// newEntry reads a message.
func newEntry(p *part, reg *registration, d *amqp.Delivery) *entry {
	e := &entry{part: p, held: reg, tag: d.DeliveryTag, id: idOf(d.MessageId, d.Body), bytes: int64(len(d.Body)), records: 1, arrived: time.Now()}
	h, err := frame.ReadHeader(d.Body)
	if err == nil {
		e.records = h.Count
		err = frame.Verify(d.Body)
	}
	if err == nil && h.Partition != p.number {
		err = fmt.Errorf("frame of partition %d: %w", h.Partition, frame.ErrCorrupt)
	}
	e.header = frame.Header{Partition: p.number, Count: e.records, At: h.At, Size: max(0, len(d.Body)-frame.HeaderSize)}
	if err != nil {
		e.damage = err
		return e
	}
	e.body = d.Body[frame.HeaderSize:]
	return e
}

// numbered notes where the frame stands.
func (e *entry) numbered(p Place) {
	e.place = p
	e.header.First = p.First
	if e.damage == nil && e.records != p.Records {
		e.damage = fmt.Errorf("frame has %d records and had %d when it was delivered first: %w", e.records, p.Records, frame.ErrCorrupt)
	}
	e.header.Count = p.Records
}

func (e *entry) ask() Frame {
	return Frame{Partition: e.part.number, ID: e.id, Records: e.records, Bytes: e.bytes}
}

// DeadLetter is a message that could not be processed.
type DeadLetter struct {
	Partition string // the routing key it came with, such as "p07"
	ID        string // of the message
	Reason    string // as the broker says it: "rejected", or "delivery_limit"
	Records   int    // 0 if it is no frame
	At        time.Time
	Body      []byte // a frame without numbers, if it is one
}

func deadLetter(d *amqp.Delivery) DeadLetter {
	letter := DeadLetter{Partition: d.RoutingKey, ID: d.MessageId, Body: d.Body}
	if h, err := frame.ReadHeader(d.Body); err == nil {
		letter.Records = h.Count
	}
	deaths, _ := d.Headers["x-death"].([]any)
	if len(deaths) > 0 {
		if death, ok := deaths[0].(amqp.Table); ok {
			letter.Reason, _ = death["reason"].(string)
			letter.At, _ = death["time"].(time.Time)
		}
	}
	return letter
}
