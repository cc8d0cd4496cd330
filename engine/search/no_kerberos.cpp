// The names of Kerberos's library that libgit2's archive asks for, each answering that there is no such library.
//
// Debian has libgit2 as an archive but Kerberos only as a shared library, and our programs must run where only libc and
// libstdc++ are installed. libgit2 calls these when it logs in to a web server; the history is a directory on this
// machine, and no transport is ever opened. Signatures: RFC 2744, reduced to what the calling convention needs.
#include <cstdint>

extern "C" {

extern const void* const GSS_C_NT_HOSTBASED_SERVICE;
const void* const GSS_C_NT_HOSTBASED_SERVICE = nullptr;

#define AMK_NO_KERBEROS(function)                                       \
  uint32_t function() { /* GSS_S_UNAVAILABLE, RFC 2744 section 3.9.1 */ \
    return uint32_t{16} << 16U;                                         \
  }

AMK_NO_KERBEROS(gss_delete_sec_context)
AMK_NO_KERBEROS(gss_display_status)
AMK_NO_KERBEROS(gss_import_name)
AMK_NO_KERBEROS(gss_indicate_mechs)
AMK_NO_KERBEROS(gss_init_sec_context)
AMK_NO_KERBEROS(gss_release_buffer)
AMK_NO_KERBEROS(gss_release_name)
AMK_NO_KERBEROS(gss_release_oid_set)
AMK_NO_KERBEROS(gss_test_oid_set_member)

#undef AMK_NO_KERBEROS

}  // extern "C"
