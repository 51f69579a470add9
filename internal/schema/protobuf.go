package schema

import (
	"context"
	"encoding/binary"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// protobufRoot is the path of the file that is the schema, which no reference can have.
const protobufRoot = "schema"

// protobufType is a message of a Protobuf schema.
type protobufType struct {
	message protoreflect.MessageType
	types   *dynamicpb.Types
	index   []byte // where the message is in its file, as the wire format has it
}

// compileProtobuf returns the message of that name in the last of the texts, or the first one. Those before it are the files
// that it imports, by their paths. Of others only Google's own (google/protobuf/…) can be imported.
// What it costs is bounded, but goes on for as long as it takes when ctx ends.
func compileProtobuf(ctx context.Context, parts []part, name string) (t *protobufType, err error) {
	if err := protobufInBounds(parts); err != nil {
		return nil, err
	}
	files := map[string]string{}
	for i, p := range parts {
		if i == len(parts)-1 {
			p.name = protobufRoot
		}
		files[p.name] = p.text
	}
	defer func() {
		if r := recover(); r != nil { // of the library; it would end the process
			t, err = nil, misconfigured("it cannot be compiled")
		}
	}()
	compiler := protocompile.Compiler{
		MaxParallelism: 1,
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: func(path string) (io.ReadCloser, error) {
			text, ok := files[path]
			if !ok {
				return nil, errOutside
			}
			return io.NopCloser(strings.NewReader(text)), nil
		}}),
	}
	compiled, err := compiler.Compile(ctx, protobufRoot)
	if ctx.Err() != nil {
		return nil, unavailable("the schema could not be compiled in time")
	}
	if err != nil {
		return nil, misconfigured("it is no Protobuf schema: %s", shorten(err.Error()))
	}
	file := compiled[0]
	message, err := messageOf(file, name)
	if err != nil {
		return nil, err
	}
	all := &protoregistry.Files{}
	if err := register(all, file); err != nil {
		return nil, misconfigured("it is no Protobuf schema: %s", shorten(err.Error()))
	}
	return &protobufType{
		message: dynamicpb.NewMessageType(message),
		types:   dynamicpb.NewTypes(all),
		index:   messageIndex(message),
	}, nil
}

// register adds a file and what it imports: the types that a google.protobuf.Any and extensions can be of.
func register(all *protoregistry.Files, file protoreflect.FileDescriptor) error {
	if _, err := all.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	for i := range file.Imports().Len() {
		if err := register(all, file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return all.RegisterFile(file)
}

// messageOf returns the message of a name, with or without the package's, or the first one.
func messageOf(file protoreflect.FileDescriptor, name string) (protoreflect.MessageDescriptor, error) {
	if name == "" {
		if file.Messages().Len() == 0 {
			return nil, misconfigured("it has no message")
		}
		return file.Messages().Get(0), nil
	}
	in, relative := protoreflect.Descriptor(file), strings.TrimPrefix(name, string(file.Package())+".")
	for part := range strings.SplitSeq(relative, ".") {
		messages := in.(interface {
			Messages() protoreflect.MessageDescriptors
		}).Messages()
		next := messages.ByName(protoreflect.Name(part))
		if next == nil {
			return nil, misconfigured("it has no message %s", guard.Quoted(name))
		}
		in = next
	}
	return in.(protoreflect.MessageDescriptor), nil
}

// messageIndex says which of a file's messages this is: how many numbers follow, and the index of each message on the way to
// it, as zigzag varints. The first message's is the one byte 0.
func messageIndex(message protoreflect.Descriptor) []byte {
	var path []int64
	for d := message; ; d = d.Parent() {
		if _, isFile := d.(protoreflect.FileDescriptor); isFile {
			break
		}
		path = append(path, int64(d.Index()))
	}
	if len(path) == 1 && path[0] == 0 {
		return []byte{0}
	}
	index := binary.AppendVarint(nil, int64(len(path)))
	for _, i := range slices.Backward(path) {
		index = binary.AppendVarint(index, i)
	}
	return index
}

func (t *protobufType) appendIndex(dst []byte) []byte { return append(dst, t.index...) }

// encode appends the value's binary form, in which equal values have equal bytes. JSON is Protobuf's canonical mapping.
func (t *protobufType) encode(dst, value []byte, limit int) ([]byte, *Problem) {
	if _, bad := (bounds{values: maxValues, depth: maxDepth}).check(value); bad != nil {
		return nil, bad
	}
	m := t.message.New().Interface()
	options := protojson.UnmarshalOptions{Resolver: t.types, RecursionLimit: maxDepth + 1}
	if err := options.Unmarshal(value, m); err != nil {
		return nil, protobufProblem(value, err)
	}
	if proto.Size(m) > limit {
		return nil, problem("has a binary form that is too large")
	}
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
	if err != nil {
		return nil, problem("%s", shorten(err.Error()))
	}
	return out, nil
}

// protobufError is what the library's errors look like. It puts a no-break space instead of a space into some of them, so
// that nobody relies on the text; where it is another one, the place is the whole value.
var protobufError = regexp.MustCompile(`^proto:[\s\x{a0}]+(?:syntax error )?\(line (\d+):(\d+)\): (?s)(.*)$`)

func protobufProblem(value []byte, err error) *Problem {
	const what = "is not what the schema takes: "
	found := protobufError.FindStringSubmatch(err.Error())
	if found == nil {
		return problem("%s", what+shorten(strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")))
	}
	line, _ := strconv.Atoi(found[1])
	column, _ := strconv.Atoi(found[2])
	location, token := locate(value, line, column)
	return &Problem{pointer(location), what + shorten(strings.Replace(found[3], token, guard.Cut(token), 1))}
}
