package kafkatest

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ACL is one permission of a cluster with [Options.SASL].
type ACL struct {
	User      string
	Operation kmsg.ACLOperation
	Resource  kmsg.ACLResourceType
	Name      string // of the resource; "*" is all
}

// AllowWrite lets a user write to a topic (and describe it); that is all an
// idempotent producer needs. Transactions also need
// {user, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, id}.
func (c *Cluster) AllowWrite(user, topic string) error { return c.Allow(writeACL(user, topic)) }

// RevokeWrite takes back what AllowWrite gave.
func (c *Cluster) RevokeWrite(user, topic string) error { return c.Revoke(writeACL(user, topic)) }

func writeACL(user, topic string) ACL {
	return ACL{User: user, Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTopic, Name: topic}
}

// Allow creates an ACL.
func (c *Cluster) Allow(acl ACL) error {
	creation := kmsg.NewCreateACLsRequestCreation()
	creation.ResourceType, creation.ResourceName = acl.Resource, acl.Name
	creation.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
	creation.Principal, creation.Host = "User:"+acl.User, "*"
	creation.Operation, creation.PermissionType = acl.Operation, kmsg.ACLPermissionTypeAllow
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, creation)
	return c.change(fmt.Sprintf("allow %+v", acl), func(ctx context.Context, n *broker) error {
		resp, err := req.RequestWith(ctx, n)
		if err != nil {
			return err
		}
		return failure(resp.Results[0].ErrorCode, resp.Results[0].ErrorMessage)
	})
}

// Revoke deletes an ACL; it is an error if there is none.
func (c *Cluster) Revoke(acl ACL) error {
	principal, host := "User:"+acl.User, "*"
	filter := kmsg.NewDeleteACLsRequestFilter()
	filter.ResourceType, filter.ResourceName = acl.Resource, &acl.Name
	filter.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
	filter.Principal, filter.Host = &principal, &host
	filter.Operation, filter.PermissionType = acl.Operation, kmsg.ACLPermissionTypeAllow
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, filter)
	return c.change(fmt.Sprintf("revoke %+v", acl), func(ctx context.Context, n *broker) error {
		resp, err := req.RequestWith(ctx, n)
		if err != nil {
			return err
		}
		result := resp.Results[0]
		if len(result.MatchingACLs) == 0 && result.ErrorCode == 0 {
			return errors.New("there is none")
		}
		return failure(result.ErrorCode, result.ErrorMessage)
	})
}

// SetPassword gives a user, known or new, another password under
// SCRAM-SHA-256 and SCRAM-SHA-512. Connections that are open stay open. The
// passwords of PLAIN are those of [Options.Users]: Kafka reads them at start.
func (c *Cluster) SetPassword(user, password string) error {
	return c.setPasswords(map[string]string{user: password})
}

func (c *Cluster) setPasswords(passwords map[string]string) error {
	return c.change("set passwords", func(ctx context.Context, n *broker) error {
		for mechanism, newHash := range map[int8]func() hash.Hash{1: sha256.New, 2: sha512.New} {
			// Kafka takes a user once in a request.
			req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
			for user, password := range passwords {
				credential, err := scramCredential(user, password, mechanism, newHash)
				if err != nil {
					return fmt.Errorf("%s: %w", user, err)
				}
				req.Upsertions = append(req.Upsertions, credential)
			}
			resp, err := req.RequestWith(ctx, n)
			if err != nil {
				return err
			}
			for _, result := range resp.Results {
				if err := failure(result.ErrorCode, result.ErrorMessage); err != nil {
					return fmt.Errorf("%s: %w", result.User, err)
				}
			}
		}
		return nil
	})
}

// scramCredential salts a password as RFC 5802 wants it, in the fewest rounds
// that Kafka takes.
func scramCredential(user, password string, mechanism int8, newHash func() hash.Hash) (kmsg.AlterUserSCRAMCredentialsRequestUpsertion, error) {
	const rounds = 4096
	credential := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	credential.Name, credential.Mechanism, credential.Iterations = user, mechanism, rounds
	credential.Salt = make([]byte, 16)
	rand.Read(credential.Salt)
	var err error
	credential.SaltedPassword, err = pbkdf2.Key(newHash, password, credential.Salt, rounds, newHash().Size())
	return credential, err
}
