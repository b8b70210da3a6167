// The server of `vaxel bench loop` on Go's gorilla/websocket: a goroutine for each connection, and
// one prepared message for a broadcast, written by the goroutine that was asked for it.

package main

import (
	"bytes"
	"flag"
	"log"
	"net/http"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
)

// Longer answers are not given.
const answerBytesMax = 64 * 1024

// A connection, to which one goroutine at a time may write.
type client struct {
	socket *websocket.Conn
	writes sync.Mutex
}

// The write buffers are shared, since one for each connection would be memory for each connection.
var upgrader = websocket.Upgrader{
	ReadBufferSize:  1024,
	WriteBufferSize: 1024,
	WriteBufferPool: &sync.Pool{},
	CheckOrigin:     func(*http.Request) bool { return true },
}

var (
	clients = map[*client]struct{}{}
	guard   sync.Mutex
)

// The bytes of the request, cut or padded to the length it asks for.
func answer(payload []byte) []byte {
	if len(payload) < 9 {
		return payload
	}
	length, err := strconv.ParseUint(string(payload[1:9]), 16, 32)
	if err != nil || length > answerBytesMax {
		return payload
	}
	if int(length) <= len(payload) {
		return payload[:length]
	}
	return append(payload, bytes.Repeat([]byte("."), int(length)-len(payload))...)
}

func broadcast(payload []byte) {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, payload)
	if err != nil {
		return
	}
	guard.Lock()
	defer guard.Unlock()
	for one := range clients {
		one.writes.Lock()
		// An error is the end of a connection, which its own goroutine notices.
		_ = one.socket.WritePreparedMessage(message)
		one.writes.Unlock()
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	one := &client{socket: socket}
	guard.Lock()
	clients[one] = struct{}{}
	guard.Unlock()
	defer func() {
		guard.Lock()
		delete(clients, one)
		guard.Unlock()
		socket.Close()
	}()
	for {
		kind, payload, err := socket.ReadMessage()
		if err != nil {
			return
		}
		if len(payload) > 0 && payload[0] == 'B' {
			broadcast(answer(payload))
			continue
		}
		if len(payload) > 0 && payload[0] == 'R' {
			payload = answer(payload)
		}
		one.writes.Lock()
		err = socket.WriteMessage(kind, payload)
		one.writes.Unlock()
		if err != nil {
			return
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address and port")
	flag.Parse()
	http.HandleFunc("/", serve)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
