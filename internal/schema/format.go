package schema

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// CompileText returns the schema of a text that refers to no other, of the format and with the options of a name. Of JSON
// Schema it is [Compile].
func CompileText(name Name, text []byte) (*Schema, error) {
	if name.Format == JSONSchema {
		return compileJSON(text, name.Formats)
	}
	return compileParts(context.Background(), name.Format, []part{{text: string(text)}}, name.Message)
}

// compileParts returns the schema of the last of the texts, which may refer to those before it.
func compileParts(ctx context.Context, format Format, parts []part, message string) (*Schema, error) {
	bytes := 0
	for _, p := range parts {
		bytes += len(p.text)
	}
	if bytes > maxSchemaBytes {
		return nil, misconfigured("the schema and its references have more than %d bytes", maxSchemaBytes)
	}
	switch format {
	case Avro:
		t, err := compileAvro(parts)
		if err != nil {
			return nil, err
		}
		return &Schema{Format: format, binary: t}, nil
	case Protobuf:
		t, err := compileProtobuf(ctx, parts, message)
		if err != nil {
			return nil, err
		}
		return &Schema{Format: format, binary: t}, nil
	}
	return nil, misconfigured("the schema is of the type %s; JSON, AVRO and PROTOBUF are offered", guard.Quoted(string(format)))
}
